/** Captions that the media names or carries. */
export interface CaptionTrack {
  readonly name: string
  /** BCP 47; empty where nobody says. */
  readonly language: string
  /** The media wants them shown unless the person says otherwise. */
  readonly isDefault?: boolean
}

/**
 * The text tracks of a video for captions that a player finds, by a key of the player's own. They are there as soon as
 * captions are known of, so that they can be chosen before anybody loads what shows them; `changed` is called when another is
 * chosen.
 *
 * @example
 * const tracks = captionTracks(video, () => console.log(tracks.showing()))
 * tracks.add('en', { name: 'English', language: 'en' })
 * tracks.addCues('en', [new VTTCue(0, 2, 'Hello')])
 */
export function captionTracks(video: HTMLVideoElement, changed: () => void) {
  const elements = new Map<string, HTMLTrackElement>()
  video.textTracks.addEventListener('change', changed)
  return {
    add(key: string, { name, language, isDefault }: CaptionTrack): void {
      if (elements.has(key)) return
      const element = document.createElement('track')
      Object.assign(element, { kind: 'captions', label: name, srclang: language, src: emptyFile() })
      element.track.mode = isDefault ? 'showing' : 'disabled'
      video.append(element)
      elements.set(key, element)
    },

    /** The same cue twice is there once: segments are fetched anew. */
    addCues(key: string, cues: readonly VTTCue[]): void {
      const track = elements.get(key)?.track
      for (const cue of cues) if (!track?.cues?.getCueById(cue.id)) track?.addCue(cue)
    },

    /** Takes the cues out of all of them. */
    clear(): void {
      for (const { track } of elements.values()) {
        const { mode } = track
        // One that is off has no list of them.
        track.mode = 'hidden'
        for (const cue of [...(track.cues ?? [])]) track.removeCue(cue)
        track.mode = mode
      }
    },

    /** The key of what is shown. */
    showing: (): string | undefined =>
      [...elements].find(([, { track }]) => track.mode === 'showing')?.[0],

    close(): void {
      video.textTracks.removeEventListener('change', changed)
      for (const element of elements.values()) element.remove()
    },
  }
}

/** A track without a file counts as failed. One for all, and for good: browsers read it when they like. */
function emptyFile(): string {
  empty ??= URL.createObjectURL(new Blob(['WEBVTT'], { type: 'text/vtt' }))
  return empty
}
let empty: string | undefined

/**
 * Does a picture's user data (SEI, ATSC A/53) hold CEA-608 captions, more than the filling between them? A count in the
 * low five bits of the first byte, then from the third on three bytes each: flags with a type, and two characters with a
 * parity bit. Source: ANSI/CTA-708-E, cc_data().
 */
export function hasCaptions(data: Uint8Array): boolean {
  const count = (data[0] ?? 0) & 0x1f
  for (let at = 2; at < 2 + count * 3; at += 3) {
    const [flags = 0, a = 0, b = 0] = data.subarray(at, at + 3)
    const isValid = (flags & 0b100) !== 0
    const is608 = (flags & 0b11) < 2
    if (isValid && is608 && ((a | b) & 0x7f) !== 0) return true
  }
  return false
}
