/*
 * What a node that was killed leaves behind for a moment: if it was just starting a loader, its descriptors, and with them its lock and its
 * sockets, are the child's too until that runs the loader's program. On a busy machine the next node can be faster.
 */
#pragma once

/* Ask `held` until it no longer says 1 (held), for two seconds at most. Returns its last answer: 0 free, 1 held, or its error. */
int remains_wait(int (*held)(const void *thing), const void *thing);
