import { useState } from 'preact/hooks'
import { money } from '../app/format.ts'
import { Problem } from '../parts/problem.tsx'
import { texts } from '../texts.ts'
import { Bars } from './charts.tsx'
import type { Operator, Overview } from './use-operator.ts'

const t = texts.operator

/** Where the money is, and whether the books agree. */
export function Books({ overview, operator }: { overview: Overview; operator: Operator }) {
  const [problems, setProblems] = useState<readonly string[] | undefined>(undefined)
  const check = async () => {
    const said = await operator.get('/api/v1/operator/books')
    if (said) setProblems((said as { problems: string[] }).problems)
  }
  return (
    <section class="panel" aria-labelledby="books">
      <h2 id="books">{t.books}</h2>
      {Object.entries(overview.ledger).map(([asset, classes]) => (
        <Bars key={asset} rows={rowsOf(asset, classes)} />
      ))}
      <div class="actions">
        <button type="button" class="button small" onClick={check}>
          {t.check}
        </button>
        {problems?.length === 0 && <p class="well">{t.agree}</p>}
      </div>
      {problems && problems.length > 0 && <Problem text={problems.join('. ')} />}
    </section>
  )
}

/** Accounts that give hold less than nothing: they are compared, and said, by their size. */
const rowsOf = (asset: string, classes: Readonly<Record<string, string>>) =>
  Object.entries(classes)
    .filter(([, sum]) => sum !== '0')
    .map(([name, sum]) => ({
      name: t.accounts[name as keyof typeof t.accounts] ?? name,
      value: Math.abs(Number(sum)),
      text: money(BigInt(name.startsWith('grant:') ? sum.replace(/^-/, '') : sum), asset),
    }))
