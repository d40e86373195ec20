/* tree.h - a folder and all that is in it. */
#ifndef MR_TREE_H
#define MR_TREE_H

/* Removes it. Symbolic links are removed, not followed. What is not there is removed. Returns 0, or -1: something is left, of which a warning tells. */
int mr_tree_remove(const char *path);

#endif
