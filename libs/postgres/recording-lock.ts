/**
 * Any number, but the same in every flo2. Every recording of events holds it shared. It is held alone by who
 * records a presumption (revision 0), since two revisions of one attempt that are recorded at the same time
 * could not see each other; and by who adds a budget, whose opening balance must miss no event.
 */
export const RECORDING_LOCK = 4_046_171_305;
