/**
 * `<sluice-player stream="naddr1…">`: a stream of this relay inside any page. One classic script, no dependencies:
 *
 *     <script src="https://relay.example/sluice-player.js" async></script>
 *     <sluice-player stream="naddr1…"></sluice-player>
 *
 * `relay` names another origin than the script's. The stream plays in a frame of the relay's own, which the page around
 * it can neither read nor steer.
 */
;(() => {
  // Read while the script runs: afterwards nobody knows which one it was.
  const home =
    document.currentScript instanceof HTMLScriptElement
      ? new URL(document.currentScript.src).origin
      : location.origin

  const STYLE =
    ':host{display:block;aspect-ratio:640/396;max-width:100%}iframe{width:100%;height:100%;border:0;border-radius:12px}'

  class SluicePlayer extends HTMLElement {
    static readonly observedAttributes = ['stream', 'relay']
    readonly #frame = document.createElement('iframe')

    constructor() {
      super()
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(STYLE)
      const root = this.attachShadow({ mode: 'open' })
      root.adoptedStyleSheets = [sheet]
      this.#frame.allow = 'fullscreen; picture-in-picture; autoplay'
      this.#frame.title = 'Live stream'
      this.#frame.loading = 'lazy'
      root.append(this.#frame)
    }

    attributeChangedCallback(): void {
      const stream = this.getAttribute('stream') ?? ''
      const origin = this.getAttribute('relay') ?? home
      // Anything but a name would lead the frame elsewhere.
      if (/^naddr1[0-9a-z]+$/.test(stream) && /^https?:\/\//.test(origin))
        this.#frame.src = new URL(`/embed/${stream}`, origin).href
    }
  }

  if (!customElements.get('sluice-player')) customElements.define('sluice-player', SluicePlayer)
})()
