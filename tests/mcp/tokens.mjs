// Counts what a model reads of the core tool list (name, description, input schema), in o200k tokens.
import { encode } from 'gpt-tokenizer/encoding/o200k_base';

const revision = '2026-07-28';
const meta = {
  'io.modelcontextprotocol/protocolVersion': revision,
  'io.modelcontextprotocol/clientInfo': { name: 'tokens', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const response = await fetch(`${process.env.TOMO_URL}/mcp`, {
  method: 'POST',
  headers: {
    authorization: `Bearer ${process.env.TOMO_TOKEN}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': revision,
    'mcp-method': 'tools/list',
  },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } }),
});
const { tools } = (await response.json()).result;
const read = tools.map(({ name, description, inputSchema }) => ({ name, description, input_schema: inputSchema }));
const count = encode(JSON.stringify(read)).length;
console.log(`core list: ${tools.length} tools, ${count} tokens of 3000, ${JSON.stringify(tools).length} bytes of 32000`);
process.exit(count <= 3000 ? 0 : 1);
