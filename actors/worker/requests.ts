/** Requests to sessions, from bytes to bytes: checked at the door, answered with a reply or a failure. */
import { encode } from '../../bus/codec.ts';
import type { Handlers } from '../../bus/operations/row.ts';
import {
  assertCompletable,
  assertExecutable,
  type SESSION,
  type SessionRequest,
} from '../../bus/operations/sessions.ts';
import { noSession } from '../timeline/timeline.ts';
import type { SessionInstance } from './session-instance.ts';
import type { SessionManager } from './session-manager.ts';

/** What an existing session does. */
const EXISTING: Handlers<Omit<typeof SESSION, 'execute' | 'owner'>, [SessionInstance]> = {
  interrupt: ({ commandId }, instance) => instance.interrupt(commandId),
  inspect: (_, instance) => instance.inspect(),
  complete: (request, instance) => {
    assertCompletable(request);
    return instance.complete(request.code, request.cursor);
  },
  close: ({ reason = 'closed' }, instance) => instance.closeSession(reason),
  checkpoint: (_, instance) => instance.save('save'),
  annotate: (request, instance) => instance.annotate(request),
};

/** Does what a request asks; returns the encoded reply. @throws RepriseError */
export async function serveRequest(sessions: SessionManager, request: SessionRequest): Promise<Uint8Array> {
  // Whoever asks does not want the session to wake up.
  if (request.op === 'owner') return encode({ ok: true, process: sessions.worker });
  if (request.op === 'execute') assertExecutable(request);
  const instance = sessions.provide(request.session);
  if (request.op === 'execute') return encode({ ok: true, ...(await instance.submit(request)) });
  await instance.restored();
  if (instance.isNew) throw noSession(request.session);
  return encode({ ok: true, ...(await EXISTING[request.op](request as never, instance)) });
}
