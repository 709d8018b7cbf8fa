import type { AuditEventName, AuditRecord } from '../audit/audit.ts'
import type { AuditRow } from './tables.ts'

export function auditRow(record: AuditRecord): AuditRow {
  const { id, time, event, outcome, account, client, ip, interaction, details } = record
  return {
    id,
    time,
    event,
    outcome,
    account: account ?? null,
    client: client ?? null,
    ip: ip ?? null,
    interaction: interaction ?? null,
    details: details === undefined ? null : JSON.stringify(details),
  }
}

/** What was not given is absent, not undefined. */
export function auditRecord(row: AuditRow): AuditRecord {
  return {
    id: row.id,
    time: row.time,
    event: row.event as AuditEventName,
    outcome: row.outcome as AuditRecord['outcome'],
    ...(row.account !== null && { account: row.account }),
    ...(row.client !== null && { client: row.client }),
    ...(row.ip !== null && { ip: row.ip }),
    ...(row.interaction !== null && { interaction: row.interaction }),
    ...(row.details !== null && { details: JSON.parse(row.details) as NonNullable<AuditRecord['details']> }),
  }
}
