import { type CallToolResult, Server, createMcpHandler } from '@modelcontextprotocol/server';
import { refusal } from '../report-message.js';
import { answerText } from './answer-text.js';
import { REPORT_TOOL } from './report-tool.js';
import type { RunAnswer, RunReports } from './run-reports.js';

/** Serves one request of an agent's MCP client, of which the reports are. */
export type McpHandler = (request: Request, reports: RunReports) => Promise<Response>;

/**
 * The report endpoint's MCP side: streamable HTTP without sessions, one tool. A refused report is a
 * tool error that says what is wrong, so that the model can mend it.
 */
export function reportMcpHandler(maxRequestBodySize: number): McpHandler {
  const handler = createMcpHandler(({ authInfo }) => reportServer(authInfo!.extra as Caller), {
    maxRequestBodySize,
    // A stream that is held open would be waited for when the agent has ended.
    maxSubscriptions: 0,
  });
  return (request, reports) => {
    const authInfo = { token: '', clientId: reports.run.item_id, scopes: [], extra: { reports } };
    return handler.fetch(request, { authInfo });
  };
}

type Caller = { reports: RunReports };

function reportServer({ reports }: Caller): Server {
  const server = new Server({ name: 'agent-jobs', version: '1' }, { capabilities: { tools: {} } });
  server.setRequestHandler('tools/list', () => ({ tools: [reports.tool] }));
  server.setRequestHandler('tools/call', async ({ params }): Promise<CallToolResult> => {
    if (params.name !== REPORT_TOOL) {
      const there = `there is no tool ${JSON.stringify(params.name)}; call ${REPORT_TOOL}`;
      return toolResult({ accepted: false, ...refusal(there), because: 'conflict' });
    }
    return toolResult(await reports.receive(params.arguments ?? {}));
  });
  return server;
}

function toolResult(answer: RunAnswer): CallToolResult {
  const content: CallToolResult['content'] = [{ type: 'text', text: answerText(answer) }];
  if (answer.accepted) return { content, structuredContent: answer };
  const { because: _why, ...told } = answer;
  return { content, structuredContent: told, isError: true };
}
