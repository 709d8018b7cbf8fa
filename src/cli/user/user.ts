import type { Command } from 'commander'
import { addUserAdd } from './add.ts'
import { addUserDisable } from './disable.ts'
import { addUserEdit } from './edit.ts'
import { addUserEnable } from './enable.ts'
import { addUserImport } from './import.ts'
import { addUserList } from './list.ts'
import { addUserPasswd } from './passwd.ts'
import { addUserRemove } from './remove.ts'
import { addUserSessions } from './sessions.ts'
import { addUserShow } from './show.ts'

export function addUser(program: Command): void {
  const user = program.command('user').description('accounts')
  const parts = [
    addUserAdd,
    addUserImport,
    addUserList,
    addUserShow,
    addUserEdit,
    addUserPasswd,
    addUserSessions,
    addUserDisable,
    addUserEnable,
    addUserRemove,
  ]
  for (const add of parts) add(user)
}
