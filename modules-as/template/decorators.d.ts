/**
 * For editors only: `sandpiper build` knows these decorators. TypeScript has no decorators on functions, hence
 * the `@ts-ignore` above each use, which may be left out where no editor complains.
 */

/** The function takes the messages of this input: `(message: Message) => void`. */
declare function input(name: string): any;

/** The function is called each so many milliseconds: `() => void`. Its name is the timer's. */
declare function every(milliseconds: number): any;

/** The function is called when desired properties have changed: `(patch: Json) => void`. */
declare const desired: any;

/** The function answers the direct method: `(request: MethodRequest) => MethodReply`. */
declare function method(name: string): any;

/** The function takes the replies to calls of `invoke` with this tag: `(reply: InvokeReply) => void`. */
declare function reply(tag: string): any;
