/** Answers given once and kept for good: the set-up question, what `methods: auto` decided. */
export interface SettingStore {
  set(name: string, value: string): Promise<void>
  get(name: string): Promise<string | undefined>
  /** Sets it unless it is set; answers the value that holds. */
  addOnce(name: string, value: string): Promise<string>
}
