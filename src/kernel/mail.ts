/** A mail as its sender means it: one recipient, a template in the reader's language, facts. */
export interface Mail {
  /** One plain addr-spec (IN-1); it is checked again before it goes out. */
  to: string
  /** Folder under `views/mail/`. */
  template: string
  /** BCP 47. */
  locale: string
  data: Record<string, string | number | undefined>
  /** The account it is about, for the audit alone. */
  account?: string | undefined
  /** The same for a letter that is sent again, so that mail programs show it once; absent: it is sent once. */
  id?: string
}
