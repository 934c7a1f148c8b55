/**
 * For editors only: `sandpiper build` knows these decorators. TypeScript has no decorators on functions, hence
 * the `@ts-ignore` above each use, which may be left out where no editor complains.
 */

/** The function takes the messages of this input: `(message: Message) => void`. */
declare function input(name: string): any;

/** The function is called each so many milliseconds: `() => void`. Its name is the timer's. */
declare function every(milliseconds: number): any;
