/** What an interaction was about, also after it ended. */
export interface EndedInteraction {
  clientId: string
  /** The authorization request's parameters, as the engine checked them. */
  params: Readonly<Record<string, unknown>>
  /** Milliseconds since the epoch. */
  startedAt: number
  /** It was finished or cancelled; false while it is under way. */
  ended: boolean
}

/** For a page that has outlived its interaction: where its owner can go on. */
export interface EndedInteractions {
  /** Undefined: nothing is known of it any more. */
  find(uid: string): Promise<EndedInteraction | undefined>
}
