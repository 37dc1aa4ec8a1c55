# syntax=docker/dockerfile:1
# Two stages: a locked build that ends by serving, answering its health check and draining; and an image of the binary alone.
#
#   docker build -t usher .
#   docker run -p 50051:50051 -p 8080:8080 -v ./usher-config:/etc/usher:ro usher
#
# The configuration is mounted as a directory, so that a changed file is seen. For doors that other machines can reach it
# says `grpc_listen = "0.0.0.0:50051"`, `http_listen = "0.0.0.0:8080"` and, while there is no authentication, `insecure = true`.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the layer; the binary is copied out of them. Rust and the image's gcc are all it takes.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package usher --bin usher \
    && install -D target/release/usher /out/usher \
    && mkdir /out/state
RUN scripts/smoke /out/usher config/minimal.toml

FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="usher" \
      org.opencontainers.image.description="A real-time skills-based routing and ACD server" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/usher /usher
COPY --from=build /src/LICENSE /LICENSE
# The journal, by default in ./journal: mount a disk here that outlives the container.
COPY --from=build --chown=nonroot:nonroot /out/state /var/lib/usher
WORKDIR /var/lib/usher
VOLUME /var/lib/usher
EXPOSE 50051 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usher", "health"]
ENTRYPOINT ["/usher"]
CMD ["serve", "--config", "/etc/usher/usher.toml"]
