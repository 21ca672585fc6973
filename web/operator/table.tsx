import type { ComponentChildren } from 'preact'

/** Rows under named columns; on a narrow screen it scrolls by itself. `labelledBy`: the id of its heading. */
export function Table(props: {
  labelledBy: string
  columns: readonly string[]
  children: ComponentChildren
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboards scroll what can be focused
    <section class="table" tabIndex={0} aria-labelledby={props.labelledBy}>
      <table>
        <thead>
          <tr>
            {props.columns.map(name => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </section>
  )
}
