/** Text above the line that is being typed, which stays as it is. */
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import type { REPLServer } from 'node:repl';

/** Prints whole lines above the prompt of a repl on a terminal. */
export function printAbove(server: REPLServer, output: NodeJS.WriteStream, lines: string): void {
  moveCursor(output, 0, -server.getCursorPos().rows);
  cursorTo(output, 0);
  clearScreenDown(output);
  output.write(lines);
  // The line editor remembers how many rows it drew, and would go up by as many to draw the line anew.
  (server as unknown as { prevRows: number }).prevRows = 0;
  server.displayPrompt(true);
}
