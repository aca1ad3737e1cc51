/* file: files and folders by whole bytes. Functions that return int return 0 or an
 * errno value. */
#ifndef KELP_BASE_FILE_H
#define KELP_BASE_FILE_H

#include <stddef.h>

struct buffer;

/* Adds all that can be read to `out`. EFBIG: it is more than the buffer's limit. */
int file_read(const char *path, struct buffer *out);
int file_read_descriptor(int fd, struct buffer *out);

/* Writes all of the bytes; waits where the descriptor would block. */
int file_write_all(int fd, const void *bytes, size_t size);

/* Gives the file these bytes, on disk, by way of a file beside it: a reader finds the
 * old bytes or the new ones. Only its owner can read it. */
int file_replace(const char *path, const char *bytes, size_t size);

/* Brings a folder's names to disk. */
int file_sync_folder(const char *folder);

/* Makes the folder and those above it that are missing, mode 0700, on disk. */
int file_make_folders(const char *folder);

#endif
