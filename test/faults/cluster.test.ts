/** The faults of a deployment on several machines, one after the other: each starts servers of its own. */
import './cluster/kill-worker.js';
import './cluster/kill-executor.js';
import './cluster/kill-api.js';
import './cluster/kill-leader.js';
import './cluster/kill-rabbitmq.js';
import './cluster/kill-redis.js';
import './cluster/kill-s3.js';
