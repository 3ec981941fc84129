/** The wire form of workers. */
import { Type, type Static } from 'typebox';

export const Worker = Type.Object(
  {
    id: Type.String(),
    process: Type.String({
      description: 'The name of its process, which may have several: for executors, for inline tasks.',
    }),
    pid: Type.Integer(),
    host: Type.String({ description: 'The name of the machine; in Kubernetes that of the pod.' }),
    pool: Type.String({ description: 'The pool of workers that its process belongs to.' }),
    types: Type.Array(Type.String(), { description: 'The job types that it serves.' }),
    slots: Type.Integer({ description: 'Jobs that it can run at a time.' }),
    busy: Type.Integer(),
    stopping: Type.Optional(
      Type.Boolean({
        description: 'True once its process takes no new jobs: it ends those it has, then goes.',
      }),
    ),
    executors: Type.Array(
      Type.Object({
        pid: Type.Integer(),
        job: Type.Optional(Type.String({ description: 'The id of the job that it runs.' })),
        memory: Type.Integer({ description: 'Resident set, bytes.' }),
      }),
    ),
  },
  { $id: 'Worker' },
);

export type Worker = Static<typeof Worker>;

export const WorkerList = Type.Object({ workers: Type.Array(Worker) });
