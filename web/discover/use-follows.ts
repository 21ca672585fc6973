import { useEffect, useState } from 'preact/hooks'
import { follows } from '../../client/follows.ts'
import { useApp } from '../app/app.ts'

const nobody: ReadonlySet<string> = new Set()

/** Whom the person here follows; nobody while that is not known. */
export function useFollows(): ReadonlySet<string> {
  const { relay, identity } = useApp()
  const pubkey = identity.pubkey.value
  const [followed, setFollowed] = useState(nobody)
  useEffect(() => {
    setFollowed(nobody)
    if (pubkey) follows(relay, pubkey).then(setFollowed, () => {})
  }, [relay, pubkey])
  return followed
}
