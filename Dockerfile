# docker build -t groundlink:0.1.0 .
# Without a way to public registries: --build-arg BUILD_IMAGE=... --build-arg BASE_IMAGE=...
# BASE_IMAGE needs glibc of the build image's age or newer, libgcc and nothing else.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# The caches outlive the build and are no part of the image, so the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/usr/local/cargo/git,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin groundlink \
    && cp target/release/groundlink /groundlink

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="groundlink" \
      org.opencontainers.image.description="Publishes Icinga 2 objects on a hub cluster and delivers what is acknowledged Ready to satellite clusters" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build --chown=0:0 --chmod=0755 /groundlink /groundlink
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
# One heap for all threads: what one frees, another can use again.
ENV MALLOC_ARENA_MAX=1
EXPOSE 8080 8081
ENTRYPOINT ["/groundlink"]
CMD ["run"]
