/** Bounds of the regular expression engine. Exceeding one is an error the caller turns into a denial. */

/** Longest pattern text, in UTF-16 units. */
export const maxPatternLength = 64 * 1024;

/** Highest count in `x{n,m}`, and highest product of nested counts (RE2's own figure). */
export const maxRepeat = 1000;

/** Deepest nesting of groups and repetitions (RE2's own figure). */
export const maxNestingDepth = 1000;

/**
 * Most that a compiled program may cost: one for an instruction, one more for each range of a class (four at most).
 * `[a-z0-9]{1,1000}` is within it. The reference's engine refuses about the same patterns (100 KiB compiled).
 */
export const maxProgramCost = 4064;

/** Most capture groups in a pattern; each costs two slots in every thread of the matcher. */
export const maxCaptureGroups = 1000;

/** Most cells of the transition table of one automaton before it is flushed (four bytes each). */
export const maxTransitionCells = 16 * 1024;

/** Units of work (instructions visited, characters read) that one call of a matcher may cost. */
export const defaultMaxSteps = 5_000_000;

/** Most bounds of ranges that the classes of a pattern have together as they are read: hundreds of `\pL`. */
export const maxClassBounds = 500_000;

/** Most steps of dividing the code points into letters: bounds of all classes times their number. */
export const maxAlphabetWork = 20_000_000;

/** Most instruction numbers kept in the states of one automaton before it is flushed (two bytes each). */
export const maxKernelCells = 32 * 1024;

/** Most slots of all threads of one matcher: instructions times slots (four bytes each, twice). */
export const maxThreadSlots = 4_000_000;

/** Most pairs of instruction and position that the backtracker keeps apart for one subject (one bit each). */
export const maxBacktrackCells = 128 * 1024;

/** Steps that a pattern may cost the backtracker in all before an automaton is made of it. */
export const maxBacktrackSteps = 4 * 1024;

/**
 * A pattern whose tree says that its program costs no more than this, and that has no more ranges and groups than this, is
 * within all the limits above: its program can be made when the pattern is first matched.
 */
export const certainlySmall = { cost: 1000, ranges: 1000, groups: 50 } as const;
