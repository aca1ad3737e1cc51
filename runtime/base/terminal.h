/* terminal: what a terminal tells of itself. */
#ifndef KELP_BASE_TERMINAL_H
#define KELP_BASE_TERMINAL_H

enum { TERMINAL_DEFAULT_COLUMNS = 80 };

/* Its width in characters; 0: the descriptor is no terminal, or it does not say. */
int terminal_columns(int fd);

#endif
