// Judges an AsyncAPI document by AsyncAPI's own parser, with the Avro schemas that it refers to.
//
// usage: asyncapi FILE   prints what is found; exit code 1 where anything is wrong, 64 for a wrong call
import { fromFile, Parser } from '@asyncapi/parser';
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';

// Severities are 0 error, 1 warning, 2 information, 3 hint.
const WARNING = 1;

const [file, ...rest] = process.argv.slice(2);
if (file === undefined || rest.length > 0) {
  console.error('usage: asyncapi FILE');
  process.exit(64);
}

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await fromFile(parser, file).parse();
for (const { severity, code, path, message, range } of diagnostics) {
  const kind = ['error', 'warning', 'information', 'hint'][severity];
  console.log(`${file}:${range.start.line + 1}: ${kind} ${code} at ${path.join('/') || 'the document'}: ${message}`);
}
const wrong = diagnostics.filter(({ severity }) => severity <= WARNING).length;
if (document === undefined || wrong > 0) {
  process.exit(1);
}
const messages = document.allMessages().length;
console.log(`${file}: ${document.allChannels().length} channels, ${messages} messages, ${document.allOperations().length} operations`);
