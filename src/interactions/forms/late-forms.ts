import type { Context } from 'koa'
import type { PageError } from '../../views/pages.ts'
import type { Responder } from '../../web/responder.ts'
import type { ConcurrentForms } from '../concurrent-forms.ts'
import type { SignIn } from '../sign-in.ts'
import type { SignIns } from '../sign-ins.ts'
import type { StepPages } from '../step-pages.ts'

/** Forms that came too late, such as the second one of a double click: they follow where the first one has led. */
export interface LateForms {
  /** Waits for earlier forms; if the sign-in has moved on, the answer leads there. Answers whether it did. */
  followed(ctx: Context, signIn: SignIn): Promise<boolean>
  /** The page again, with what was wrong, unless the form came too late. */
  refuse(ctx: Context, signIn: SignIn, error: PageError): Promise<void>
}

export interface LateFormsDependencies {
  signIns: Pick<SignIns, 'movedTo'>
  pages: Pick<StepPages, 'again'>
  concurrentForms: Pick<ConcurrentForms, 'waitForEarlier'>
  responder: Pick<Responder, 'redirect'>
}

export function createLateForms({ signIns, pages, concurrentForms, responder }: LateFormsDependencies): LateForms {
  async function followed(ctx: Context, signIn: SignIn): Promise<boolean> {
    await concurrentForms.waitForEarlier(ctx)
    const location = await signIns.movedTo(ctx, signIn)
    if (location !== undefined) responder.redirect(ctx, location)
    return location !== undefined
  }

  return {
    followed,
    async refuse(ctx, signIn, error) {
      if (await followed(ctx, signIn)) return
      await pages.again(ctx, signIn, error)
    },
  }
}
