/** How a server's process lives: until a signal, and then as long as what runs may take. */

export interface RunningServer {
  readonly url: string;
  /** Drains and closes. `graceMs` overrides how long running jobs may still take. */
  stop(options?: { graceMs?: number }): Promise<void>;
}

/** Runs until SIGTERM or SIGINT, then drains; a second signal hands back what still runs, a third just ends. */
export async function untilStopped(server: RunningServer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let signals = 0;
    const onSignal = () => {
      signals += 1;
      if (signals === 1) console.log('finishing what runs; once more to hand it back at once');
      if (signals > 2) process.exit(1);
      server.stop(signals === 1 ? {} : { graceMs: 0 }).then(resolve, reject);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
