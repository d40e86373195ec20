/* no_zap.so - preloaded, it keeps the ZAP handler from its endpoint, without a word: without a handler, ZeroMQ admits any key. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

int zmq_bind(void *socket, const char *endpoint) {
    int (*bind)(void *, const char *) = (int (*)(void *, const char *)) dlsym(RTLD_NEXT, "zmq_bind");
    return strcmp(endpoint, "inproc://zeromq.zap.01") ? bind(socket, endpoint) : 0;
}
