/** The name of the wall clock that a test holds: of the variable that asks for it, and of the channel that sets it. */
export const WALL_CLOCK = "SANDPIPER_TEST_WALL_CLOCK";
