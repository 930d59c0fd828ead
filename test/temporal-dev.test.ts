/** `temporal-dev.sh`: real servers on ports and in folders of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './support/free-port.js';

const SCRIPT = fileURLToPath(new URL('../temporal-dev.sh', import.meta.url));
const THIRTY_DAYS = '2592000s';
/** The first use on a machine builds the CLI. */
const INSTALL_MS = 20 * 60_000;

type Env = Record<string, string | undefined>;

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What is to be undone when the tests have ended, whatever became of them; last one first. */
const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

function start(command: string, args: string[], env: Env): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TEMPORAL_'));
  return spawn(command, args, {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Resolves when the output is closed too: a server that holds on to its caller's would show here. */
async function ending(child: ChildProcess): Promise<Ended> {
  const ended = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (ended.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (ended.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...ended };
}

async function run(command: string, args: string[], env: Env = {}): Promise<Ended> {
  return ending(start(command, args, env));
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited too long until ${what}`);
    await delay(50);
  }
}

function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'temporal-dev-')));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

let cli = '';

/** A database and an address, and what is asked of the script there. */
class Place {
  readonly folder = temporaryFolder();
  readonly port: number;
  readonly uiPort: number;
  readonly address: string;
  readonly script: string;
  readonly database: string;
  readonly env: Env;

  /** `copy`: a copy of the script in the folder, with the database where it is by default. */
  private constructor(
    port: number,
    uiPort: number,
    options: { copy?: boolean; database?: string },
  ) {
    this.port = port;
    this.uiPort = uiPort;
    this.address = `127.0.0.1:${port}`;
    this.script = options.copy === true ? path.join(this.folder, 'temporal-dev.sh') : SCRIPT;
    if (options.copy === true) copyFileSync(SCRIPT, this.script);
    this.database =
      options.database ??
      (options.copy === true
        ? path.join(this.folder, '.temporal', 'dev.db')
        : path.join(this.folder, 'a folder', 'dev.db'));
    this.env = {
      TEMPORAL_CLI: cli,
      TEMPORAL_DEV_PORT: String(port),
      TEMPORAL_DEV_UI_PORT: String(uiPort),
      TEMPORAL_DEV_DB: options.copy === true ? undefined : this.database,
    };
    cleanups.push(async () => {
      if (existsSync(`${this.database}.pid`)) assert.equal((await this.dev('down')).code, 0);
    });
  }

  static async make(options: { copy?: boolean; database?: string } = {}): Promise<Place> {
    return new Place(await freePort(), await freePort(), options);
  }

  async dev(command: string, env: Env = {}): Promise<Ended> {
    return run(this.script, [command], { ...this.env, ...env });
  }

  /** The first line of the file that the script keeps beside the database. */
  get pid(): number {
    return Number(readFileSync(`${this.database}.pid`, 'utf8').split('\n')[0]);
  }

  async up(): Promise<void> {
    const ended = await this.dev('up');
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /^The Temporal server serves\.$/m);
  }

  async temporal(...args: string[]): Promise<Ended> {
    return run(cli, [...args, '--address', this.address, '--command-timeout', '10s']);
  }

  async serves(): Promise<boolean> {
    return (await this.temporal('operator', 'cluster', 'health')).code === 0;
  }

  async assertSetUp(): Promise<void> {
    const described = await this.temporal(
      'operator',
      'namespace',
      'describe',
      '-n',
      'default',
      '-o',
      'json',
    );
    const { config } = JSON.parse(described.stdout) as { config: Record<string, string> };
    assert.equal(config['workflowExecutionRetentionTtl'], THIRTY_DAYS);
    const listed = await this.temporal('operator', 'search-attribute', 'list', '-n', 'default');
    assert.match(listed.stdout, /^\s*AgentJobId\s+Keyword\s*$/m);
    assert.match(listed.stdout, /^\s*AgentJobVerdict\s+Keyword\s*$/m);
  }

  async startWorkflow(id: string): Promise<void> {
    const flags = ['--type', 'any', '--task-queue', 'any', '--workflow-id', id];
    const started = await this.temporal(
      'workflow',
      'start',
      ...flags,
      '--search-attribute',
      'AgentJobId="a"',
    );
    assert.equal(started.code, 0, started.stderr);
  }

  /** By its search attribute, hence from the visibility store too. */
  async lists(id: string): Promise<boolean> {
    const listed = await this.temporal(
      'workflow',
      'list',
      '-o',
      'json',
      '--query',
      'AgentJobId = "a"',
    );
    return listed.stdout.includes(`"${id}"`);
  }
}

/** A process that has ended, but that its parent has not collected yet, counts as ended. */
async function isAlive(pid: number): Promise<boolean> {
  const { stdout } = await run('ps', ['-o', 'stat=', '-p', String(pid)]);
  return !/^\s*(Z|$)/.test(stdout);
}

before(
  async () => {
    const found = await run(SCRIPT, ['path'], { TEMPORAL_CLI: process.env['TEMPORAL_CLI'] });
    assert.equal(found.code, 0, found.stderr);
    cli = found.stdout.trimEnd();
  },
  { timeout: INSTALL_MS },
);

it('path prints nothing but the path of a CLI that works', async () => {
  assert.ok(path.isAbsolute(cli), cli);
  assert.match((await run(cli, ['--version'])).stdout, /^temporal version/);
  const again = await run(SCRIPT, ['path'], { TEMPORAL_CLI: path.relative(process.cwd(), cli) });
  assert.deepEqual(
    [again.code, path.normalize(again.stdout.trimEnd()), again.stderr],
    [0, cli, ''],
  );
});

describe('a server in the background', () => {
  let place: Place;
  let told: Ended;
  before(async () => {
    place = await Place.make();
    told = await place.dev('up');
  });

  it('serves when `up` returns, which tells where', async () => {
    assert.equal(told.code, 0, told.stderr);
    assert.ok(await place.serves());
    const ui = `http://127.0.0.1:${place.uiPort}`;
    assert.equal((await fetch(ui)).status, 200);
    for (const part of [
      place.address,
      ui,
      place.database,
      String(place.pid),
      `${place.database}.log`,
    ]) {
      assert.ok(told.stdout.includes(part), `${part} is in ${told.stdout}`);
    }
    assert.equal(told.stderr, '');
  });

  it('is not bound to the process group or terminal of who started it', async () => {
    const group = await run('ps', ['-o', 'pgid=', '-p', String(place.pid)]);
    assert.equal(group.stdout.trim(), String(place.pid));
  });

  it('keeps the database in WAL mode', () => {
    assert.ok(existsSync(`${place.database}-wal`));
    // "File format write version" and "read version" of SQLite's header: 2 is WAL.
    assert.deepEqual([...readFileSync(place.database).subarray(18, 20)], [2, 2]);
  });

  it('has a retention of 30 days and the search attributes', async () => {
    await place.assertSetUp();
  });

  it('is left as it is by a second `up`, which is no error', async () => {
    const { pid } = place;
    const again = await place.dev('up');
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /already; nothing was started/);
    assert.ok(again.stdout.includes(String(pid)));
    assert.equal(place.pid, pid);
  });

  it('is shown by `status`, with exit code 0', async () => {
    const status = await place.dev('status');
    assert.equal(status.code, 0);
    for (const part of [
      place.address,
      String(place.uiPort),
      place.database,
      String(place.pid),
      cli,
    ]) {
      assert.ok(status.stdout.includes(part), `${part} is in ${status.stdout}`);
    }
  });

  it('is found whatever cluster the environment names', async () => {
    const elsewhere = {
      TEMPORAL_ADDRESS: 'example.invalid:1',
      TEMPORAL_TLS: 'true',
      TEMPORAL_NAMESPACE: 'other',
    };
    assert.equal((await place.dev('status', elsewhere)).code, 0);
  });

  it('shares its database with no second server', async () => {
    const other = await Place.make({ database: place.database });
    const refused = await other.dev('up');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(`in use by the server at ${place.address}`));
    assert.equal((await other.dev('status')).code, 3);
  });

  it('lets another one run beside it', async () => {
    const other = await Place.make();
    await other.up();
    assert.ok(await other.serves());
    assert.equal((await other.dev('down')).code, 0);
    assert.ok(await place.serves());
  });

  it('keeps its state when it is killed, and can be started again at once', async () => {
    await place.startWorkflow('before-kill');
    await until('it is listed', async () => place.lists('before-kill'));
    process.kill(place.pid, 'SIGKILL');
    await place.up();
    assert.ok(await place.lists('before-kill'));
    await place.assertSetUp();
  });

  it('is ended by `down`, and keeps its state', async () => {
    await place.startWorkflow('before-down');
    await until('it is listed', async () => place.lists('before-down'));
    const { pid } = place;
    const down = await place.dev('down');
    assert.equal(down.code, 0, down.stderr);
    assert.match(down.stdout, /has ended/);
    assert.ok(!(await isAlive(pid)));
    const status = await place.dev('status');
    assert.equal(status.code, 3);
    assert.match(status.stdout, /No Temporal server serves/);

    await place.up();
    assert.ok(await place.lists('before-down'));
    assert.ok(await place.lists('before-kill'));
    await place.assertSetUp();
    assert.equal((await place.dev('down')).code, 0);
  });

  it('needs not be there for `down`', async () => {
    const down = await place.dev('down');
    assert.equal(down.code, 0);
    assert.match(down.stdout, /^Nothing to end/);
  });
});

it('several `up` at once start one server, beside the script where nothing else is said', async () => {
  const place = await Place.make({ copy: true });
  const link = path.join(temporaryFolder(), 'link.sh');
  symlinkSync(place.script, link);
  const scripts = [place.script, link, place.script];
  const ups = await Promise.all(scripts.map(async (script) => run(script, ['up'], place.env)));
  for (const up of ups) assert.equal(up.code, 0, up.stderr);
  assert.equal(ups.filter((up) => up.stdout.startsWith('The Temporal server serves.')).length, 1);
  assert.ok(ups.every((up) => up.stdout.includes(String(place.pid))));
  assert.ok(existsSync(place.database));
});

it('another server is no error and is left alone; its database is set up later', async () => {
  const place = await Place.make();
  mkdirSync(path.dirname(place.database));
  const flags = [
    '--ip',
    '127.0.0.1',
    '--port',
    String(place.port),
    '--ui-port',
    String(place.uiPort),
  ];
  const server = start(cli, ['server', 'start-dev', ...flags, '--db-filename', place.database], {});
  cleanups.push(() => server.kill('SIGKILL'));
  const ended = ending(server);
  await until('it serves', async () => place.serves());

  const up = await place.dev('up');
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stdout, /already; nothing was started/);
  assert.match(up.stderr, /search-attribute create .*--name AgentJobId --type Keyword/);
  assert.equal((await place.dev('status')).code, 0);
  const down = await place.dev('down');
  assert.equal(down.code, 0);
  assert.match(down.stdout, /^Nothing to end/);
  assert.ok(await place.serves());

  server.kill('SIGTERM');
  await ended;
  await place.up();
  await place.assertSetUp();
});

it('`down` ends no process that has got the number of an earlier server', async () => {
  const place = await Place.make();
  mkdirSync(path.dirname(place.database));
  const bystander = start('sleep', ['600'], {});
  cleanups.push(() => bystander.kill());
  const record = [bystander.pid, 'another time', place.address, 'http://127.0.0.1', 'up', ''];
  writeFileSync(`${place.database}.pid`, record.join('\n'));
  const down = await place.dev('down');
  assert.equal(down.code, 0);
  assert.match(down.stdout, /^Nothing to end/);
  assert.equal(bystander.exitCode ?? bystander.signalCode, null);
});

it('without an argument it runs in the foreground, and `down` leaves it', async () => {
  const place = await Place.make();
  const server = start(SCRIPT, [], place.env);
  cleanups.push(() => server.kill('SIGKILL'));
  const ended = ending(server);
  let said = '';
  server.stderr?.on('data', (text: string) => (said += text));
  await until('it says that it serves', () => said.includes(place.database));
  assert.ok(said.includes(place.address));
  await place.assertSetUp();
  assert.equal(place.pid, server.pid, 'the script has become the server');

  assert.match((await place.dev('up')).stdout, /already; nothing was started/);
  const down = await place.dev('down');
  assert.equal(down.code, 0);
  assert.match(down.stdout, /^Nothing to end.*Ctrl-C/);
  assert.ok(await place.serves());

  server.kill('SIGINT');
  assert.equal((await ended).code, 0);
  assert.equal((await place.dev('status')).code, 3);
});

describe('what it cannot use is named', () => {
  it('a port that something else uses', async () => {
    const other = createHttpServer((_request, response) => response.end('no Temporal'));
    cleanups.push(() => other.close());
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    const cases: [string, string[]][] = [
      ['TEMPORAL_DEV_PORT', ['up']],
      ['TEMPORAL_DEV_PORT', []],
      ['TEMPORAL_DEV_UI_PORT', ['up']],
    ];
    await Promise.all(
      cases.map(async ([name, args]) => {
        const place = await Place.make();
        const refused = await run(SCRIPT, args, { ...place.env, [name]: port });
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, new RegExp(`Port ${port}\\b.* in use[^]*${name}`));
      }),
    );
    const place = await Place.make();
    assert.equal((await place.dev('status', { TEMPORAL_DEV_PORT: port })).code, 3);
  });

  it('a port that is none', async () => {
    const place = await Place.make();
    for (const [name, value] of [
      ['TEMPORAL_DEV_PORT', 'http'],
      ['TEMPORAL_DEV_PORT', '65536'],
      ['TEMPORAL_DEV_UI_PORT', '0'],
      ['TEMPORAL_DEV_UI_PORT', String(place.port)],
    ] as const) {
      const refused = await place.dev('up', { [name]: value });
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, new RegExp(`${name}.*${value}`));
    }
  });

  it('a TEMPORAL_CLI that is none, which is not passed over', async () => {
    for (const wrong of ['/does/not/exist', 'no-such-program', tmpdir(), 'false']) {
      const refused = await run(SCRIPT, ['path'], { TEMPORAL_CLI: wrong });
      assert.equal(refused.code, 2);
      assert.equal(refused.stdout, '');
      assert.ok(refused.stderr.includes(`TEMPORAL_CLI is set to "${wrong}"`), refused.stderr);
    }
  });

  it('a folder that cannot be written, and how to have it elsewhere', async () => {
    const place = await Place.make({ copy: true });
    writeFileSync(path.dirname(place.database), 'in the way, for root too');
    const refused = await place.dev('up');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /Cannot write to the folder .*[^]*TEMPORAL_DEV_DB/);
  });

  it('a database that the server cannot open, with what the server said', async () => {
    const place = await Place.make();
    mkdirSync(path.dirname(place.database));
    writeFileSync(place.database, 'This file is no database at all.');
    const failed = await place.dev('up');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /ended before it served[^]*file is not a database/);
  });

  it('an unknown argument', async () => {
    const refused = await run(SCRIPT, ['restart']);
    assert.deepEqual([refused.code, refused.stdout], [2, '']);
    assert.match(refused.stderr, /Unknown argument: restart[^]*Usage:/);
    assert.equal((await run(SCRIPT, ['up', 'down'])).code, 2);
    for (const help of ['help', '--help']) {
      const usage = await run(SCRIPT, [help]);
      assert.deepEqual([usage.code, usage.stderr], [0, '']);
      assert.match(usage.stdout, /^Usage:/);
    }
  });
});

describe('installing the CLI', () => {
  const version = /^readonly CLI_VERSION=(\S+)$/m.exec(readFileSync(SCRIPT, 'utf8'))?.[1] ?? '';
  const standIn = `printf '#!/bin/sh\\necho temporal version stand-in\\n'`;

  /** A machine without the CLI, on which `go` and `curl` are what the test says. */
  function machine(programs: { go: string; curl: string }): { env: Env; installed: string } {
    const folder = temporaryFolder();
    const bin = path.join(folder, 'bin');
    mkdirSync(bin);
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(path.join(bin, name), `#!/bin/sh\n${text}\n`);
      chmodSync(path.join(bin, name), 0o755);
    }
    const others = (process.env['PATH'] ?? '')
      .split(':')
      .filter((entry) => !existsSync(path.join(entry, 'temporal')));
    const cache = path.join(folder, 'cache');
    return {
      env: { PATH: [bin, ...others].join(':'), XDG_CACHE_HOME: cache, FOLDER: folder },
      installed: path.join(cache, 'agent-jobs', `temporal-${version}`, 'temporal'),
    };
  }

  it('builds it once for all who ask at the same time, and says so', async () => {
    const { env, installed } = machine({
      go: `echo "$@" >>"$FOLDER/calls"
        while [ -d "$FOLDER" ] && [ ! -e "$FOLDER/go-on" ]; do sleep 0.05; done
        ${standIn} >"$GOBIN/temporal" && chmod +x "$GOBIN/temporal"`,
      curl: 'exit 1',
    });
    const folder = env['FOLDER'] ?? '';
    // What an installation that was killed leaves behind.
    mkdirSync(path.dirname(path.dirname(installed)), { recursive: true });
    symlinkSync('999999999 1', `${path.dirname(installed)}.lock`);

    const children = [start(SCRIPT, ['path'], env), start(SCRIPT, ['path'], env)];
    const endings = Promise.all(children.map(ending));
    let said = '';
    for (const child of children) child.stderr?.on('data', (text: string) => (said += text));
    await until('one waits for the other', () => said.includes('Waiting for process'));
    writeFileSync(path.join(folder, 'go-on'), '');
    for (const ended of await endings) {
      assert.deepEqual([ended.code, ended.stdout], [0, `${installed}\n`], ended.stderr);
    }
    assert.match(
      said,
      /Installing the Temporal CLI .* with `go install`[^]*Installed the Temporal CLI/,
    );
    const calls = readFileSync(path.join(folder, 'calls'), 'utf8');
    assert.equal(calls, `install github.com/temporalio/cli/cmd/temporal@v${version}\n`);

    const again = await run(SCRIPT, ['path'], env);
    assert.deepEqual([again.code, again.stdout, again.stderr], [0, `${installed}\n`, '']);
  });

  it('takes the official installer where Go cannot', async () => {
    // The installer's own convention: --dir D puts the program into D/bin.
    const { env, installed } = machine({
      go: 'exit 1',
      curl: `while [ "$1" != -o ]; do shift; done
        cat >"$2" <<'END'
        [ "$1 $3 $4" = "--dir --version v${version}" ] || exit 1
        mkdir "$2/bin" && ${standIn} >"$2/bin/temporal" && chmod +x "$2/bin/temporal"
END`,
    });
    const found = await run(SCRIPT, ['path'], env);
    assert.deepEqual([found.code, found.stdout], [0, `${installed}\n`], found.stderr);
    assert.match(found.stderr, /installer from temporal\.download/);
  });

  it('says what to do where nothing works, and leaves nothing half done', async () => {
    const { env, installed } = machine({ go: 'exit 1', curl: 'echo no network >&2; exit 6' });
    const failed = await run(SCRIPT, ['path'], env);
    assert.deepEqual([failed.code, failed.stdout], [1, '']);
    assert.match(failed.stderr, /no network[^]*could not be installed[^]*set TEMPORAL_CLI/);
    assert.ok(!existsSync(path.dirname(installed)));
    assert.ok(!existsSync(`${path.dirname(installed)}.lock`));
  });
});
