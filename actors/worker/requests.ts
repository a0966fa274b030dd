/** Requests to sessions, from bytes to bytes: checked at the door, answered with a reply or a failure. */
import { encode } from '../../bus/codec.ts';
import type { SessionRequest } from '../../bus/protocol.ts';
import { assertCompletable, assertExecutable } from '../../bus/schemas.ts';
import type { SessionInstance } from './session-instance.ts';
import type { SessionManager } from './session-manager.ts';
import { notFound } from './verification.ts';

/** Does what a request asks; returns the encoded reply. @throws RepriseError */
export async function serveRequest(sessions: SessionManager, request: SessionRequest): Promise<Uint8Array> {
  // Whoever asks does not want the session to wake up.
  if (request.op === 'owner') return encode({ ok: true, process: sessions.worker });
  if (request.op === 'execute') assertExecutable(request);
  const instance = sessions.provide(request.session);
  if (request.op === 'execute') return encode({ ok: true, ...(await instance.submit(request)) });
  await instance.restored();
  if (instance.isNew) throw notFound(request.session);
  return encode({ ok: true, ...(await serveExisting(instance, request)) });
}

async function serveExisting(
  instance: SessionInstance,
  request: Exclude<SessionRequest, { op: 'execute' | 'owner' }>,
): Promise<object> {
  switch (request.op) {
    case 'interrupt':
      return instance.interrupt(request.commandId);
    case 'inspect':
      return instance.inspect();
    case 'complete':
      assertCompletable(request);
      return instance.complete(request.code, request.cursor);
    case 'close':
      return instance.closeSession(request.reason ?? 'closed');
    case 'checkpoint':
      return instance.save('save');
  }
}
