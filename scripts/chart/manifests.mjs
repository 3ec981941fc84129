// deploy/kubernetes: the chart as plain manifests, for those who have no helm. Comments of the templates stay in them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const chart = fileURLToPath(new URL('../../deploy/helm/dray', import.meta.url));
export const folder = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));
/** Of all objects; some name it in places where kubectl puts none. */
const namespace = 'dray';
const clusterWide = ['APIService', 'ClusterRole', 'ClusterRoleBinding'];

/** Where the objects of a component go; those of these kinds go elsewhere. */
const byKind = { HorizontalPodAutoscaler: 'hpa.yaml', NetworkPolicy: 'network-policies.yaml' };
const byComponent = { 's3-bucket': 's3.yaml' };
/**
 * Beside the others: `kubectl apply` would refuse all of a folder where the cluster does not know a kind, and not
 * everybody wants the rest. By file what makes helm render it.
 */
const optional = {
  'monitoring/service-monitor.yaml': [
    '--set=metrics.serviceMonitor.enabled=true',
    '--api-versions=monitoring.coreos.com/v1',
  ],
  'models/models.yaml': [
    '--set=models.enabled=true',
    '--set=models.volume.persistentVolumeClaim.claimName=models',
    '--set=models.options.openDoors=true',
  ],
  'models/tf-serving.yaml': ['--set=tensorflowServing.enabled=true'],
  'loadtest/loadtest.yaml': [
    '--set=loadtest.enabled=true',
    '--set=loadtest.host=http://dray-models:8501',
    '--set=loadtest.classes={PredictUser}',
    '--set=models.options.openDoors=true',
  ],
};

const header = `# Made by \`npm run manifests\` of deploy/helm/dray, with its default values; do not edit. README.md tells how to use it.
`;

/** Changes with whatever the manifests are made of, so that their age can be told without helm. */
export function chartDigest() {
  const files = ['Chart.yaml', 'values.yaml', ...below('templates'), ...below('files')].sort();
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(chart, file)));
  return hash.digest('hex');
}

/** @returns by path below \`folder\` the text of each file. Needs helm. @throws Error with what helm says */
export function manifests() {
  const files = {};
  const plain = render();
  for (const one of plain) add(files, fileOf(one), one);
  const known = new Set(plain);
  for (const [file, args] of Object.entries(optional)) {
    for (const one of render(...args)) if (!known.has(one)) add(files, file, one);
  }
  return { ...files, 'chart.sha256': `${chartDigest()}\n` };
}

function add(files, file, text) {
  files[file] = `${files[file] ?? header}---\n${text}\n`;
}

/** Without Secrets: what is committed has no passwords in it. */
function render(...more) {
  const helm = [
    'template',
    'dray',
    chart,
    `--namespace=${namespace}`,
    '--kube-version=1.34.0',
    '--skip-tests',
  ];
  const args = [...helm, '--set=secrets.create=false', ...more];
  const text = execFileSync('helm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  return text
    .split(/^---\n/m)
    .map((document) => plainly(document.trim()))
    .filter((document) => document !== '');
}

/** Without what only helm reads, and with the namespace. */
function plainly(document) {
  const text = document
    .replace(/^# Source: .*\n?/gm, '')
    .replace(/^ +(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, '')
    .replace(/ +$/gm, '');
  const [, kind] = /^kind: (.*)$/m.exec(text) ?? [];
  if (kind === undefined) return '';
  const placed = clusterWide.includes(kind) || /^ {2}namespace: /m.test(text);
  return placed
    ? text
    : text.replace(/^metadata:\n( {2}name: .*)$/m, `metadata:\n$1\n  namespace: ${namespace}`);
}

function fileOf(text) {
  const [, kind] = /^kind: (.*)$/m.exec(text);
  const [, component] = /^ {4}app\.kubernetes\.io\/component: (.*)$/m.exec(text);
  return byKind[kind] ?? byComponent[component] ?? `${component}.yaml`;
}

function below(part) {
  return readdirSync(join(chart, part), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(chart, join(entry.parentPath, entry.name)));
}
