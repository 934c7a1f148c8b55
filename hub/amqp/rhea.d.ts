/** The two files of rhea that the codec uses, as far as it uses them. They load neither sockets nor timers. */

declare module "rhea/lib/frames.js" {
  interface Composite {
    readonly [field: string]: unknown;
  }
  interface Frames {
    read_frame(bytes: Buffer): { readonly performative: Composite } | null;
    write_frame(frame: object): Buffer;
    amqp_frame(channel: number, performative: Composite): object;
    sasl_frame(performative: Composite): object;
    open(fields: object): Composite;
    begin(fields: object): Composite;
    attach(fields: object): Composite;
    detach(fields: object): Composite;
    end(fields: object): Composite;
    close(fields: object): Composite;
    sasl_mechanisms(fields: object): Composite;
    sasl_challenge(fields: object): Composite;
    sasl_outcome(fields: object): Composite;
  }
  const frames: Frames;
  export default frames;
}

declare module "rhea/lib/terminus.js" {
  interface Terminus {
    readonly address: unknown;
    described(): object;
  }
  const terminus: {
    unwrap(field: unknown): Terminus | null;
    source(fields: object): Terminus;
    target(fields: object): Terminus;
  };
  export default terminus;
}
