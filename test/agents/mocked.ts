/** The real programs on this process's PATH, with mock models behind them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { startMessagesModel } from './messages-model.js';
import type { ModelServer } from './model-server.js';
import { installedPrograms } from './programs.js';
import { startResponsesModel } from './responses-model.js';

export interface Mocked {
  /** Where Codex has its configuration. */
  codexHome: string;
  /** What Codex asks. */
  codexModel: ModelServer;
  /** The file that is there once Codex has started its user's own MCP server. */
  ownServerStarted: string;
  close(): Promise<void>;
}

/** What Codex needs in its `config.toml` to ask a mock model, with a key in `OPENAI_API_KEY`. */
export function codexSettings(model: ModelServer): string {
  return `model = "mock-model"
model_provider = "mock"
[model_providers.mock]
name = "mock"
base_url = "${model.url}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
`;
}

/** Sets this process's environment for the programs. @param folder where they keep what they keep. */
export async function mockedPrograms(folder: string): Promise<Mocked> {
  const { codex, claude } = await installedPrograms();
  const models = await Promise.all([startResponsesModel(), startMessagesModel()]);
  const [responses, messages] = models;
  const [codexHome, claudeHome] = [join(folder, 'codex'), join(folder, 'claude')];
  const ownServerStarted = join(folder, 'own-server-started');
  await Promise.all([mkdir(codexHome), mkdir(claudeHome)]);
  await writeFile(
    join(codexHome, 'config.toml'),
    `${codexSettings(responses)}[mcp_servers.own]
command = "/usr/bin/touch"
args = ["${ownServerStarted}"]
`,
  );
  Object.assign(process.env, {
    PATH: [dirname(codex), dirname(claude), process.env['PATH']].join(delimiter),
    CODEX_HOME: codexHome,
    OPENAI_API_KEY: 'mock',
    CLAUDE_CONFIG_DIR: claudeHome,
    ANTHROPIC_BASE_URL: messages.url,
    ANTHROPIC_API_KEY: 'mock',
    // The ten of its own take minutes.
    CLAUDE_CODE_MAX_RETRIES: '1',
  });
  const close = async () => {
    await Promise.all(models.map((model) => model.close()));
  };
  return { codexHome, codexModel: responses, ownServerStarted, close };
}
