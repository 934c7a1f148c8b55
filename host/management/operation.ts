/**
 * One operation of the management API, declared as data: what it takes, what it answers, what can go wrong.
 * Routing, decoding and the OpenAPI document all follow from that, so that none of them can say something else.
 */
import type { ManagementBackend } from "./backend.ts";
import { decodeBody, decodePath, decodeQuery, type Decoded, type Fields } from "../http/fields.ts";
import { RequestError, type Answer, type Request, type Route } from "../http/server.ts";
import type { JsonSchema, Schema } from "../http/schema.ts";

/** How a success is answered: with one JSON value, with lines as they come, or with nothing. */
export interface AnswerForm<T> {
  readonly status: 200 | 201 | 204;
  readonly contentType: string | null;
  /** Of the value, or of each line; `null` for nothing. */
  readonly schema: JsonSchema | null;
  wrap(value: T): Answer;
}

export const answers = <T>({ json }: Schema<T>, status: 200 | 201 = 200): AnswerForm<T> => ({
  status,
  contentType: "application/json",
  schema: json,
  wrap: (value) => ({ status, json: value }),
});

/** Until the end, or until whoever asked is gone. */
export const answersLines = <T>(
  contentType: string,
  { json }: Schema<T>,
): AnswerForm<AsyncIterable<string>> => ({
  status: 200,
  contentType,
  schema: json,
  wrap: (lines) => ({ lines, contentType }),
});

export const answersNothing: AnswerForm<void> = {
  status: 204,
  contentType: null,
  schema: null,
  wrap: () => null,
};

export type Tag = "gateway" | "modules" | "devices" | "twins and methods" | "messages";

/** Of which kind does not matter to whoever lists them. */
export interface Operation {
  readonly method: Route["method"];
  /** Segments that begin with a colon are parameters: `/devices/:deviceId`. */
  readonly path: string;
  /** What generators of clients name a function after; unique. */
  readonly id: string;
  readonly tag: Tag;
  /** One line, lower case, no full stop. */
  readonly summary: string;
  readonly params: Fields;
  readonly query: Fields;
  /** `null`: it takes none. */
  readonly body: Fields | null;
  readonly answer: Omit<AnswerForm<unknown>, "wrap">;
  /** Codes of its own; SP_REQUEST_INVALID and that of a hub that is away go without saying. */
  readonly errors: readonly string[];
  route(backend: ManagementBackend): Route;
}

interface Declaration<P extends Fields, Q extends Fields, B extends Fields, T> {
  readonly method: Route["method"];
  readonly path: string;
  readonly id: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly answer: AnswerForm<T>;
  readonly errors?: readonly string[];
  handle(
    backend: ManagementBackend,
    request: {
      readonly params: Decoded<P>;
      readonly query: Decoded<Q>;
      readonly body: Decoded<B>;
      readonly signal: AbortSignal;
    },
  ): Promise<NoInfer<T>>;
}

export function operation<
  T,
  P extends Fields = Record<never, never>,
  Q extends Fields = Record<never, never>,
  B extends Fields = Record<never, never>,
>(declared: Declaration<P, Q, B, T>): Operation {
  const { method, path, id, tag, summary, answer, errors = [] } = declared;
  const params = declared.params ?? ({} as P);
  const query = declared.query ?? ({} as Q);
  const body = declared.body ?? null;
  return {
    method,
    path,
    id,
    tag,
    summary,
    params,
    query,
    body,
    answer,
    errors,
    route: (backend) => ({
      method,
      path,
      async handle(request) {
        const decoded = {
          params: decodePath(request.params, params),
          query: decodeQuery(request.query, query),
          body: bodyOf(request, body),
          signal: request.signal,
        };
        return answer.wrap(await declared.handle(backend, decoded));
      },
    }),
  };
}

function bodyOf<B extends Fields>({ body }: Request, fields: B | null): Decoded<B> {
  if (fields !== null) return decodeBody(body, fields);
  if (body === undefined) return {} as Decoded<B>;
  throw new RequestError(400, "there is a body, and none is taken");
}
