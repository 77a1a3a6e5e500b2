// Decode a trace in the format ftv1, which is the text on stdin, and print it as JSON.
import { readFileSync } from 'node:fs';
import messages from '@apollo/usage-reporting-protobuf';

const { Trace } = messages;
const trace = Trace.decode(Buffer.from(readFileSync(0, 'utf8'), 'base64'));
console.log(JSON.stringify({ wrong: Trace.verify(trace), trace: Trace.toObject(trace, { longs: Number }) }));
