// Comfort only: every page works without this file.

/** A second press of the same button while the answer is on its way changes nothing. */
const PATIENCE = 8000

for (const form of document.querySelectorAll('form')) {
  let sent
  form.addEventListener('submit', (event) => {
    const key = event.submitter ? `${event.submitter.name}=${event.submitter.value}` : ''
    if (sent === key) {
      event.preventDefault()
      return
    }
    sent = key
    // Buttons are not disabled: their name and value must be sent, and the back button must find a page that works.
    event.submitter?.setAttribute('aria-busy', 'true')
    setTimeout(release, PATIENCE)
  })
  addEventListener('pageshow', release)

  function release() {
    sent = undefined
    for (const button of form.querySelectorAll('[aria-busy]')) button.removeAttribute('aria-busy')
  }
}

// Where the relying party has shown whose session it ends, nothing is left to ask.
for (const form of document.querySelectorAll('[data-submits]')) {
  form.requestSubmit(form.elements.namedItem(form.dataset.submits))
}

for (const button of document.querySelectorAll('[data-reveals]')) {
  const field = document.getElementById(button.dataset.reveals)
  const show = (shown) => {
    field.type = shown ? 'text' : 'password'
    button.setAttribute('aria-pressed', String(shown))
    button.textContent = shown ? button.dataset.hide : button.dataset.show
  }
  button.addEventListener('click', () => {
    show(field.type === 'password')
    field.focus()
  })
  // A browser offers what stood in a plain field to whoever types there next.
  field.form.addEventListener('submit', () => show(false))
  button.hidden = false
}

for (const button of document.querySelectorAll('[data-wait]')) {
  const label = button.textContent
  // The wait is the server's; only its passing is measured here, whatever this computer's clock says.
  const end = performance.now() + Number(button.dataset.wait)
  for (const hint of document.querySelectorAll('[data-wait-hint]')) hint.hidden = true
  tick()

  function tick() {
    const left = Math.ceil((end - performance.now()) / 1000)
    button.disabled = left > 0
    button.textContent = left > 0 ? button.dataset.waiting.replace('%s', timeOf(left)) : label
    if (left > 0) setTimeout(tick, 250)
  }
}

function timeOf(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

for (const button of document.querySelectorAll('[data-copies]')) {
  const sources = [...document.querySelectorAll(`[data-${button.dataset.copies}]`)]
  const label = button.textContent
  if (navigator.clipboard === undefined) continue
  button.addEventListener('click', async () => {
    const texts = sources.map((source) => source.textContent.replaceAll(' ', ''))
    await navigator.clipboard.writeText(texts.join('\n'))
    button.textContent = button.dataset.done
    setTimeout(() => {
      button.textContent = label
    }, 2000)
  })
  button.hidden = false
}

for (const button of document.querySelectorAll('[data-prints]')) {
  button.addEventListener('click', () => print())
  button.hidden = false
}

if (document.querySelector('[autofocus]') === null) document.querySelector('[role=alert]')?.focus()
