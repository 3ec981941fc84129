#!/usr/bin/env node
import { buildProgram } from './cli/program.js';
import { terminal } from './cli/terminal.js';
import { systemClock } from './clock.js';

// A reader that has seen enough, as in `dray jobs list | head`, is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const ran = { server: false };
const program = buildProgram({
  terminal: terminal(),
  clock: systemClock,
  // Loaded when asked for: the server's libraries would slow down every other command.
  serve: async (config) => {
    ran.server = true;
    const { serve } = await import('./compose/embedded.js');
    await serve(config);
  },
  serveApart: async (mode, config) => {
    ran.server = true;
    const { serveApart } = await import('./compose/distributed.js');
    await serveApart(mode, config);
  },
  serveModels: async (config) => {
    ran.server = true;
    const { serveModels } = await import('./compose/models.js');
    await serveModels(config);
  },
  diagnose: async (patient) => {
    if ('servers' in patient) {
      const { diagnoseDeployment } = await import('./compose/deployment-diagnosis.js');
      return diagnoseDeployment({ ...patient.servers, prefix: patient.prefix });
    }
    const { diagnose } = await import('./compose/diagnosis.js');
    return diagnose(patient);
  },
  diagnoseServers: async (servers) => {
    const { diagnoseServers } = await import('./compose/deployment-diagnosis.js');
    return diagnoseServers(servers);
  },
  diagnoseKubernetes: async (place) => {
    const { diagnoseKubernetes } = await import('./compose/kubernetes-diagnosis.js');
    return diagnoseKubernetes(place);
  },
  diagnoseModels: async (folder) => {
    const { diagnoseModels } = await import('./compose/models-diagnosis.js');
    return diagnoseModels(folder);
  },
  checkInvariants: async (patient) => {
    if ('servers' in patient) {
      const { checkDeployment } = await import('./compose/deployment-diagnosis.js');
      return checkDeployment({ ...patient.servers, prefix: patient.prefix });
    }
    const { checkFolder } = await import('./compose/doctor.js');
    return checkFolder(patient.data);
  },
});

process.exitCode = await program.run(process.argv);
// What a user's task has left open, such as a connection to a database, must not keep a server that has stopped.
if (ran.server) process.exit();
