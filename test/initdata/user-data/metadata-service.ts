import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A cloud's metadata service on loopback: answers by `METHOD path`, anything else is 404. Records what it was asked. */
export class MetadataService implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly answers = new Map<string, Answer>();
  readonly #server = createServer((request, response) => {
    const line = `${request.method} ${request.url}`;
    this.asked.push(line);
    const answer = this.answers.get(line);
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });

  /** Starts listening. */
  static async start(): Promise<MetadataService> {
    const service = new MetadataService();
    await new Promise<void>((resolve) => service.#server.listen(0, "127.0.0.1", resolve));
    return service;
  }

  /** Such as `http://127.0.0.1:40000`. */
  get origin(): string {
    // A TCP server that listens has an address with a port.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Answers with a body if the header has the value. */
  serve(line: string, body: string | Uint8Array, header?: readonly [string, string]): void {
    this.answers.set(line, (request, response) => {
      if (header !== undefined && request.headers[header[0]] !== header[1]) response.writeHead(400).end();
      else response.end(body);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
