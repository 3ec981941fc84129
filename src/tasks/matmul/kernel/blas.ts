/** A CBLAS library, called through koffi off the main thread. */
import { readFileSync } from 'node:fs';
import { checkCall, type FloatArray, type Gemm, type Kernel } from './kernel.js';

/** Names that the dynamic loader finds, then usual places; the multi-threaded build of a distribution first. */
const candidates: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: [
    'libopenblasp.so.0', // Fedora, where libopenblas.so.0 has one thread
    'libopenblas.so.0', // Debian, Ubuntu
    '/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0',
    '/usr/lib/aarch64-linux-gnu/openblas-pthread/libopenblas.so.0',
    'libopenblas.so.3', // Alpine
    'libopenblas.so',
  ],
  darwin: [
    '/System/Library/Frameworks/Accelerate.framework/Accelerate',
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
  ],
};

/** Of OpenBLAS's core types, those whose kernels use AVX-512. */
const avx512Cores = /^(SkylakeX|Cooperlake|SapphireRapids)$/i;

type Native = (...args: readonly unknown[]) => unknown;
interface NativeFunction extends Native {
  async(...args: readonly unknown[]): void;
}
interface Library {
  func(definition: string): NativeFunction;
  unload(): void;
}

export interface BlasChoice {
  /** A library to use and no other. */
  path?: string | undefined;
  /**
   * The process's environment. OPENBLAS_CORETYPE is set in it where OpenBLAS does not recognise a CPU that has
   * AVX-512; a value that the operator gave is never changed.
   */
  environment: NodeJS.ProcessEnv;
}

/** @throws Error that lists what was tried and why it did not serve. */
export async function loadBlas(choice: BlasChoice): Promise<Kernel> {
  const { default: koffi } = await import('koffi');
  const open = (path: string): Library => koffi.load(path);
  const names = choice.path === undefined ? (candidates[process.platform] ?? []) : [choice.path];
  const reasons: string[] = [];
  for (const name of names) {
    try {
      return new BlasKernel(withBestCore(name, open, choice.environment), name);
    } catch (error) {
      reasons.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`no CBLAS library could be loaded (${reasons.join('; ') || 'none is known here'})`);
}

/**
 * An OpenBLAS older than the CPU falls back to a smaller instruction set. Its choice is made while it loads, so
 * the better core type means unloading and loading again; where unloading does nothing, the first choice stays.
 */
function withBestCore(
  name: string,
  open: (path: string) => Library,
  environment: NodeJS.ProcessEnv,
): Library {
  const library = open(name);
  if (environment['OPENBLAS_CORETYPE'] !== undefined) return library;
  const core = coreName(library);
  if (core === undefined || avx512Cores.test(core) || !cpuHasAvx512()) return library;
  library.unload();
  environment['OPENBLAS_CORETYPE'] = 'SkylakeX';
  return open(name);
}

function coreName(library: Library): string | undefined {
  const ask = optional(library, 'const char *openblas_get_corename()');
  return ask === undefined ? undefined : String(ask());
}

/** True where the CPU has all that the SkylakeX kernels use; false where that cannot be known. */
function cpuHasAvx512(): boolean {
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1]?.split(' '));
    return ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl'].every((flag) => flags.has(flag));
  } catch {
    return false;
  }
}

function optional(library: Library, definition: string): NativeFunction | undefined {
  try {
    return library.func(definition);
  } catch {
    return undefined;
  }
}

const rowMajor = 101;
const noTranspose = 111;

class BlasKernel implements Kernel {
  readonly name: string;
  readonly flopsPerCall = 8e9;
  readonly depthPerCall = 512;
  readonly #dgemm: NativeFunction;
  readonly #sgemm: NativeFunction;
  readonly #setThreads: NativeFunction | undefined;
  #threads = 0;

  constructor(library: Library, file: string) {
    const config = optional(library, 'const char *openblas_get_config()');
    if (config !== undefined && String(config()).includes('USE64BITINT'))
      throw new Error('it was built with 64-bit integers; the usual build is needed');
    const shape = (type: string): string =>
      `(int order, int ta, int tb, int m, int n, int k, ${type} alpha, const ${type} *a, int lda, ` +
      `const ${type} *b, int ldb, ${type} beta, ${type} *c, int ldc)`;
    this.#dgemm = library.func(`void cblas_dgemm${shape('double')}`);
    this.#sgemm = library.func(`void cblas_sgemm${shape('float')}`);
    this.#setThreads =
      optional(library, 'void openblas_set_num_threads(int threads)') ??
      optional(library, 'void MKL_Set_Num_Threads(int threads)');
    const core = coreName(library);
    this.name = core === undefined ? (file.split('/').at(-1) ?? file) : `openblas ${core}`;
  }

  setThreads(threads: number): void {
    const wanted = Math.max(1, Math.floor(threads));
    if (wanted === this.#threads) return;
    this.#threads = wanted;
    this.#setThreads?.(wanted);
  }

  gemm64(call: Gemm<Float64Array>): Promise<void> {
    return run(this.#dgemm, call);
  }

  gemm32(call: Gemm<Float32Array>): Promise<void> {
    return run(this.#sgemm, call);
  }
}

async function run(gemm: NativeFunction, call: Gemm<FloatArray>): Promise<void> {
  checkCall(call);
  const { m, n, k, a, lda, b, ldb, beta, c, ldc } = call;
  await new Promise<void>((resolve, reject) => {
    // The callback holds the arrays: they must outlive the native call, which the engine does not see.
    const settle = (error: Error | null): void => {
      if (error !== null)
        reject(new Error(`${error.message} (arrays ${a.length}, ${b.length}, ${c.length})`));
      else resolve();
    };
    gemm.async(rowMajor, noTranspose, noTranspose, m, n, k, 1, a, lda, b, ldb, beta, c, ldc, settle);
  });
}
