import { walksIn } from './walks.ts'
import { ALWAYS } from './world.ts'

walksIn([ALWAYS])
