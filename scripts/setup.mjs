// Installs what a fresh checkout lacks: the npm packages, a fast BLAS library, and with --python a virtual
// environment with numpy, locust and pika, with --browser Chromium, with --services Redis, RabbitMQ, MinIO and a reader
// of compose files, with --containers podman, with --kubernetes what checks manifests, with --prometheus Prometheus and
// its adapter for clusters that pull no images, with --tensorflow models/.venv with TensorFlow (2 GB). Silent where nothing is missing. Only failing npm packages end it with
// an error: everything works without the rest, only slower or less tested.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { missing } from './services/installation.mjs';
import {
  adapterModule,
  composeModule,
  composeReader,
  definitionModules,
  definitions,
  manifestModule,
  manifestReader,
  minioModule,
  tools,
} from './services/tools.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const windows = process.platform === 'win32';

/** @returns false where the packages are missing and could not be installed. */
export function setup(wanted = {}) {
  const { python, browser, services, containers, kubernetes, prometheus, tensorflow } = wanted;
  if (!packagesInstalled()) {
    say('installing the npm packages');
    const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: root,
      stdio: 'inherit',
      shell: windows,
      // .npmrc says the same, which newer versions of npm do not hand on.
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    });
    if (npm.status !== 0) {
      say('npm ci failed (see above): nothing can run without the packages');
      return false;
    }
  }
  installBlas();
  if (python) installPython();
  if (browser) installBrowser();
  if (services) installServices();
  if (containers) installPodman();
  if (kubernetes) installManifestReader();
  if (prometheus) installPrometheus();
  if (tensorflow) installTensorFlow();
  return true;
}

/**
 * npm leaves a copy of the lockfile in node_modules that lists what it installed. A lockfile that is merely
 * newer, as after a git checkout, says nothing; one that names other versions does.
 */
function packagesInstalled() {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installed)) return false;
  if (statSync(lock).mtimeMs <= statSync(installed).mtimeMs) return true;
  const have = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(JSON.parse(readFileSync(lock, 'utf8')).packages).every(
    ([path, { version, optional }]) =>
      path === '' || have[path]?.version === version || (optional && !have[path]),
  );
}

const blasPackage = 'libopenblas0-pthread';

/** macOS has Accelerate; Linux gets OpenBLAS, by itself only where that is Debian and we are root. */
function installBlas() {
  if (process.platform !== 'linux' || openBlasFound()) return;
  if (!succeeds('apt-get', ['--version'])) {
    say(
      'no OpenBLAS found: matrix products will be slow. Install it with the package manager of this system.',
    );
    return;
  }
  if (process.getuid() !== 0) {
    say(`no OpenBLAS found: matrix products will be slow. Get it with: sudo apt-get install ${blasPackage}`);
    return;
  }
  say(`installing Debian's ${blasPackage}, the fast kernel for matrix products`);
  const failure = installPackage(blasPackage);
  if (failure) say(`that did not work (${failure}): going on with the slow kernel`);
}

/** The test of the page at / runs in it; without one it is skipped. */
function installBrowser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  if (names.some((name) => succeeds(name, ['--version']))) return;
  if (process.platform !== 'linux' || process.getuid() !== 0 || !succeeds('apt-get', ['--version'])) {
    say('no Chromium found: the test of the page is skipped');
    return;
  }
  say("installing Debian's chromium, for the test of the page");
  const failure = installPackage('chromium');
  if (failure) say(`that did not work (${failure}): the test of the page is skipped`);
}

/**
 * The servers that `npm run services` and the tests start, two of Debian's and MinIO from its makers' sources, and
 * what reads the compose file as Docker does.
 */
function installServices() {
  for (const { program, install } of missing()) {
    if (program === 'minio') {
      buildGo('minio', minioModule);
    } else if (
      process.platform !== 'linux' ||
      process.getuid() !== 0 ||
      !succeeds('apt-get', ['--version'])
    ) {
      say(`no ${program} found: its tests are skipped. Get it with: ${install}`);
    } else {
      say(`installing Debian's ${program}, for its tests`);
      const failure = installPackage(program);
      if (failure) say(`that did not work (${failure}): its tests are skipped`);
    }
  }
  if (!existsSync(composeReader)) {
    buildGo('cmd', composeModule);
    if (existsSync(join(tools, 'cmd'))) renameSync(join(tools, 'cmd'), composeReader);
  }
}

/** Runs containers for tests; busybox is their image, and tini is in Dray's; without, or where it cannot run any, those are skipped. */
function installPodman() {
  const there = ['podman --version', 'busybox true', 'tini --version'].every((words) =>
    succeeds(words.split(' ')[0], words.split(' ').slice(1)),
  );
  if (there) return;
  if (process.platform !== 'linux' || process.getuid() !== 0 || !succeeds('apt-get', ['--version'])) {
    say('no podman, static busybox and tini found: the tests that run containers are skipped');
    return;
  }
  say("installing Debian's podman, runc, busybox-static and tini, for the tests that run containers");
  const failure = installPackage('podman', 'runc', 'busybox-static', 'tini');
  if (failure) say(`that did not work (${failure}): those tests are skipped`);
}

/** What tells whether the chart's manifests are right, and the definitions of KEDA's and of Prometheus's operator. */
function installManifestReader() {
  if (!succeeds('kubeconform', ['-v']) && !existsSync(manifestReader)) buildGo('kubeconform', manifestModule);
  mkdirSync(definitions, { recursive: true });
  for (const [module, files] of Object.entries(definitionModules)) {
    const missing = files.filter((file) => !existsSync(join(definitions, basename(file))));
    if (missing.length === 0) continue;
    const got = spawnSync('go', ['mod', 'download', '-json', module], {
      cwd: definitions, // where no module is, whose versions would count
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (got.status === 0) {
      const { Dir: folder } = JSON.parse(got.stdout);
      for (const file of missing) copyFileSync(join(folder, file), join(definitions, basename(file)));
    } else {
      say(`${module} could not be had: the tests that need it are skipped`);
    }
  }
}

/** For tests on clusters whose nodes can pull no images: they are made of these two. */
function installPrometheus() {
  if (!succeeds('prometheus', ['--version']) && !existsSync(join(tools, 'prometheus'))) {
    say("getting Debian's prometheus, for its tests");
    inFolder((folder) => {
      const unpack = 'apt-get download prometheus && dpkg-deb --extract prometheus_*.deb .';
      const got = spawnSync('sh', ['-c', unpack], { cwd: folder, stdio: 'ignore', timeout: 300_000 });
      if (got.status === 0) copyFileSync(join(folder, 'usr/bin/prometheus'), join(tools, 'prometheus'));
      else say('that did not work: its tests are skipped');
    });
  }
  const adapter = join(tools, 'prometheus-adapter');
  if (succeeds('prometheus-adapter', ['--help']) || existsSync(adapter)) return;
  const [module, version] = adapterModule;
  say(`building ${module}, for its tests`);
  inFolder((folder) => {
    const command = `${module}/cmd/adapter`;
    writeFileSync(join(folder, 'go.mod'), `module wrap\n\ngo 1.24.0\n\nrequire ${module} ${version}\n`);
    writeFileSync(join(folder, 'wrap.go'), `//go:build tools\n\npackage wrap\n\nimport _ "${command}"\n`);
    const build = 'go mod tidy && go build -ldflags "-s -w" -o "$1" "$2"';
    const args = ['-c', build, 'sh', adapter, command];
    const built = spawnSync('sh', args, { cwd: folder, stdio: 'ignore', timeout: 1_200_000 });
    if (built.status !== 0) say('that did not work (is there Go 1.24 or later?): its tests are skipped');
  });
}

function inFolder(action) {
  mkdirSync(tools, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'dray-setup-'));
  try {
    action(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Once, into .tools: MinIO takes some three minutes on two cores, and seconds where Go has it in its cache. */
function buildGo(program, module) {
  if (!succeeds('go', ['version'])) {
    say(`no Go (1.24 or later) found, which builds ${module}: the tests that need it are skipped`);
    return;
  }
  say(`building ${module}, for its tests`);
  const built = spawnSync('go', ['install', module], {
    env: { ...process.env, GOBIN: tools },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 1_200_000,
  });
  if (built.status === 0) return;
  const reason = built.error?.message ?? String(built.stderr).trim().split('\n').at(-1);
  say(`that did not work (${reason}): the tests that need it are skipped`);
}

/** Debian's, by root. @returns why they could not be installed, where they could not. */
function installPackage(...names) {
  const apt = (...args) =>
    spawnSync('apt-get', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 300_000,
    });
  if (!succeeds('apt-cache', ['show', ...names])) apt('update');
  const installed = apt('install', '-y', '--no-install-recommends', ...names);
  if (installed.status === 0) return undefined;
  return installed.error?.message ?? String(installed.stderr).trim().split('\n').at(-1);
}

function openBlasFound() {
  const known = spawnSync('ldconfig', ['-p'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin:/usr/sbin` },
  });
  if (/libopenblas[^\s]*\.so/.test(known.stdout ?? '')) return true;
  return ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/opt/OpenBLAS/lib']
    .flatMap((folder) => [folder, ...subfolders(folder).filter((path) => path.includes('linux-gnu'))])
    .flatMap((folder) => [folder, join(folder, 'openblas-pthread')])
    .some((folder) => ['libopenblas.so', 'libopenblas.so.0'].some((name) => existsSync(join(folder, name))));
}

function subfolders(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [join(folder, entry.name)] : [],
  );
}

/** What the tests run in Python. A copy of the list in the environment says that all of it is installed. */
function installPython() {
  const venv = join(root, '.venv');
  const folders = ['loadtest', 'test/contract', 'test/e2e', 'examples/bucket-image', 'examples/mstc-client'];
  const requirements = folders.map((folder) => join(root, folder, 'requirements.txt'));
  const wanted = ['numpy\n', ...requirements.map((file) => readFileSync(file, 'utf8'))].join('');
  if (isInstalled(venv, wanted)) return;
  say('making .venv with numpy, locust and pika, for the tests of clients in Python and of the load test');
  const pip = makeVenv(venv);
  if (!pip) {
    say('going on without: the tests of the Python client and of the load test are skipped');
    return;
  }
  const numpy = pip('numpy');
  if (!numpy) say('numpy could not be installed: the tests of the Python client are skipped');
  const others = pip(...requirements.flatMap((file) => ['-r', file]));
  if (!others)
    say('locust and others could not be installed: the load test and tests of clients are skipped');
  if (numpy && others) sayInstalled(venv, wanted);
}

/** What trains the model of models/celsiusify and tests it, and what one bench measures against. */
function installTensorFlow() {
  const venv = join(root, 'models/.venv');
  const requirements = join(root, 'models/celsiusify/requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  if (isInstalled(venv, wanted)) return;
  say('making models/.venv with TensorFlow: 600 MB to fetch, 2 GB on the disk');
  const installed = makeVenv(venv)?.('-r', requirements);
  if (installed) sayInstalled(venv, wanted);
  else say('that did not work: what needs TensorFlow is skipped (it has versions for Python 3.11 and 3.12)');
}

const installedFile = 'installed.txt';

function isInstalled(venv, wanted) {
  const list = join(venv, installedFile);
  return existsSync(interpreterOf(venv)) && existsSync(list) && readFileSync(list, 'utf8') === wanted;
}

function sayInstalled(venv, wanted) {
  writeFileSync(join(venv, installedFile), wanted);
}

function interpreterOf(venv) {
  return join(venv, windows ? 'Scripts/python.exe' : 'bin/python');
}

/** @returns what installs packages there, and says whether it could; undefined where there can be no environment. */
function makeVenv(venv) {
  const interpreter = interpreterOf(venv);
  const make = () => succeeds('python3', ['-m', 'venv', venv]);
  // Debian has the module venv, but what it needs is another package.
  const debian = process.platform === 'linux' && process.getuid() === 0 && succeeds('apt-get', ['--version']);
  if (!existsSync(interpreter) && !make() && !(debian && !installPackage('python3-venv') && make())) {
    say('no virtual environment could be made (is python3-venv there?)');
    return undefined;
  }
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  return (...packages) => succeeds(interpreter, [...pip, ...packages], 1_800_000);
}

function succeeds(command, args, timeout = 300_000) {
  return spawnSync(command, args, { stdio: 'ignore', timeout }).status === 0;
}

function say(text) {
  console.error(`setup: ${text}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = (name) => process.argv.includes(`--${name}`);
  const options = {
    python: wanted('python'),
    browser: wanted('browser'),
    services: wanted('services'),
    containers: wanted('containers'),
    kubernetes: wanted('kubernetes'),
    prometheus: wanted('prometheus'),
    tensorflow: wanted('tensorflow'),
  };
  if (!setup(options)) process.exitCode = 1;
}
