// node healthcheck.mjs <port, or the variable that has it> <path>: ends with 0 where the process answers 200.
// In Node because the images have nothing else that speaks HTTP.
const [name, path] = process.argv.slice(2);
const url = `http://127.0.0.1:${process.env[name] ?? name}${path}`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
} catch (error) {
  // What docker inspect shows of an unhealthy container.
  console.error(`${url}: ${error.cause?.message ?? error.message}`);
  process.exitCode = 1;
}
