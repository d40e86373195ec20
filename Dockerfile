# One image for the coordinator and for workers: docker-compose.yml says which is which.
#
#     docker build -t millrace .
#
# BASE is Debian 12, whoever made it: scripts/docker-base.sh makes one where there is no registry.
ARG BASE=debian:bookworm-slim

FROM $BASE AS build
LABEL millrace=build
WORKDIR /millrace
COPY scripts/lib.sh scripts/
RUN ["bash", "-c", ". scripts/lib.sh && install_missing \"${build_packages[@]}\""]
COPY . .
RUN cmake --preset release -DMILLRACE_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr/local \
    && cmake --build --preset release \
    && DESTDIR=/image cmake --install build/release --strip \
    && rm -r /image/usr/local/include /image/usr/local/share \
    && install scripts/container/* /image/usr/local/bin
# The packages of the libraries that the programs are linked with, and of the one that they load for URLs: what the second stage installs.
RUN readelf -d /image/usr/local/bin/millrace* 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/*\/\1/p' | sort -u \
    | xargs dpkg -S | sed '$alibcurl4' | sed 's/:.*//' | sort -u >/image/packages && cat /image/packages

FROM $BASE
COPY --from=build /image/packages /usr/local/share/millrace/
# The user is a number too, for those who must see that it is not root's. Any other user may keep a state as well, and give a key to none.
RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive xargs apt-get -qq install -y --no-install-recommends ca-certificates \
        </usr/local/share/millrace/packages >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10001 --no-create-home --home-dir /var/lib/millrace --no-log-init millrace \
    && install -d -o millrace -g millrace -m 1777 /var/lib/millrace /data
COPY --from=build /image/usr/local /usr/local
# A library that is not there fails here and not in somebody's cluster.
RUN ["millrace", "--version"]
RUN ["millrace-worker", "--version"]
USER 10001
WORKDIR /data
EXPOSE 5555
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["millrace-health"]
CMD ["millrace", "--help"]
