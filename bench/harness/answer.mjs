/** The other end of `startAnswering`: for the main module of a process of a bench. */

/** Runs what the process is sent and answers with its figures, or with the error; ends with whoever started it. */
export function answerWith(run) {
  process.on('message', (message) => {
    run(message).then(
      (figures) => process.send(figures),
      (error) => process.send({ error: error.stack }),
    );
  });
  process.once('disconnect', () => process.exit());
  process.send({ ready: true });
}
