// A server to visit: `hummingbird-status up` in a folder of its own, with its own PostgreSQL.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const { PROGRAM, ROOT } = process.env;

export class Site {
  // `events`: folder of messages to ingest; `sizes`: how many rows of each kind to generate.
  static async up(name, { events = 'none', sizes } = {}) {
    const folder = join(ROOT, 'target/browser', name);
    // Rows are generated for the week before now, so those of an earlier run are deleted.
    if (sizes) rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const child = spawn(PROGRAM, ['up', '--events', events, '--listen', '127.0.0.1:0'], {
      cwd: folder,
      env: { ...process.env, DATABASE_URL: '', METRICS_PORT: '0', RUST_LOG: 'warn' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const url = await new Promise((resolve, reject) => {
      let said = '';
      child.stdout.on('data', (text) => {
        said += text;
        const link = /Pages on (http:\S+)/.exec(said);
        if (link) resolve(link[1]);
      });
      child.on('exit', (code) => reject(new Error(`${name}: up ended with ${code}\n${said}`)));
    });
    const site = new Site(name, url, child);
    if (sizes) site.fill(folder, sizes);
    return site;
  }

  constructor(name, url, child) {
    Object.assign(this, { name, url, child });
  }

  fill(folder, sizes) {
    const set = Object.entries(sizes).flatMap(([key, value]) => ['-c', `SET sizes.${key} = ${value}`]);
    const file = join(ROOT, 'tests/bench/sizes.sql');
    const args = ['db', 'shell', '--', '-q', '-v', 'ON_ERROR_STOP=1', ...set, '-f', file];
    execFileSync(PROGRAM, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  }

  // Ends it like Ctrl-C; its PostgreSQL ends with it.
  async end() {
    if (!this.child) return;
    this.child.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGINT');
    await ended;
  }
}
