# docker build -t groundlink:0.1.0 .
# docker build --target debug --output debug .     # debug/groundlink.debug, for gdb and for readable addresses
# docker build --target program --output program . # program/groundlink, for the kubectl plugin
# Without a way to public registries: --build-arg BUILD_IMAGE=... --build-arg BASE_IMAGE=...
# The program is static (musl): it runs on any base, also in Icinga's container, where `groundlink install` copies it. The base
# only adds the certificate authorities of public API servers. `scratch` does if every kubeconfig names its authority.
# BUILD_IMAGE needs cargo with the musl target of its architecture, a C compiler and binutils. musl's allocator costs processor time
# (40 % more in `groundlink render`, which does little else). For a very large hub:
#   --build-arg LIBC=gnu --build-arg BUILD_IMAGE=rust:1.95-bookworm --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot
ARG BUILD_IMAGE=rust:1.95-alpine
ARG BASE_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# The revision that /metrics names, and the time that replaces every other time.
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
ARG LIBC=musl
# Paths of this image are no part of the program: two builds are equal byte by byte.
ENV GROUNDLINK_REVISION=${REVISION} \
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    RUSTFLAGS="--remap-path-prefix=/src=groundlink --remap-path-prefix=/usr/local/cargo=cargo"
# Writes the names and versions of all crates into the program, where scanners and an SBOM's maker find them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    [ -x /auditable/bin/cargo-auditable ] || cargo install --quiet --locked --root /auditable --version 0.7.7 cargo-auditable
# The caches outlive the build and are no part of the image, so the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/usr/local/cargo/git,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    target="$(uname -m)-unknown-linux-${LIBC}" \
    && PATH="/auditable/bin:$PATH" cargo auditable build --release --locked --target "$target" --bin groundlink \
    && cp "target/$target/release/groundlink" /groundlink
# The names of functions stay, for the backtrace of a panic. The lines go into a file of their own.
RUN objcopy --only-keep-debug /groundlink /groundlink.debug \
    && objcopy --strip-debug --add-gnu-debuglink=/groundlink.debug /groundlink \
    && /groundlink --version

FROM scratch AS program
COPY --from=build /groundlink /groundlink

FROM scratch AS debug
COPY --from=build /groundlink.debug /groundlink.debug

FROM ${BASE_IMAGE}
ARG REVISION=unknown
ARG SOURCE=https://groundlink.dev
LABEL org.opencontainers.image.title="groundlink" \
      org.opencontainers.image.description="Publishes Icinga 2 objects on a hub cluster and delivers what is acknowledged Ready to satellite clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build --chown=0:0 --chmod=0755 /groundlink /groundlink
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Only glibc reads it: one heap for all threads, so that what one frees, another can use again.
ENV MALLOC_ARENA_MAX=1
EXPOSE 8080 8081
ENTRYPOINT ["/groundlink"]
CMD ["run"]
