/** The process's environment, for those that must hand it on to a native library. */
export const environment: NodeJS.ProcessEnv = process.env;
