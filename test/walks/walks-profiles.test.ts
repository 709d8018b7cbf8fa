import { walksIn } from './walks.ts'
import { APP_ONLY, LIMITED, OPTIONAL, SERVERS } from './world.ts'

walksIn([OPTIONAL, APP_ONLY, LIMITED, SERVERS])
