import { connect } from 'node:net';

/** True where the server on this loopback port answers the greeting with bytes that begin as expected. */
export function answers(port, greeting, expected) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(greeting, 'latin1'));
    const end = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(2_000, () => end(false));
    socket.once('data', (data) => end(data.toString('latin1').startsWith(expected)));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
