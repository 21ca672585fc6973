import { texts } from '../texts.ts'

const t = texts.discover

interface FinderProps {
  text: string
  onText: (text: string) => void
  tags: readonly string[]
  /** The chosen one; empty for all. */
  tag: string
  onTag: (tag: string) => void
}

/** Search, and the categories that there are. */
export function Finder({ text, onText, tags, tag, onTag }: FinderProps) {
  return (
    <search class="finder">
      <label class="visually-hidden" for="search">
        {t.search}
      </label>
      <input
        id="search"
        type="search"
        placeholder={t.searchPlaceholder}
        value={text}
        onInput={event => onText(event.currentTarget.value)}
      />
      {tags.length > 0 && (
        <fieldset class="chips">
          <legend class="visually-hidden">{t.category}</legend>
          <Chip name={t.all} on={tag === ''} onClick={() => onTag('')} />
          {tags.map(one => (
            <Chip key={one} name={one} on={tag === one} onClick={() => onTag(one)} />
          ))}
        </fieldset>
      )}
    </search>
  )
}

const Chip = (props: { name: string; on: boolean; onClick: () => void }) => (
  <button type="button" class="chip" aria-pressed={props.on} onClick={props.onClick}>
    {props.name}
  </button>
)
