# The service as one static binary, run by an unprivileged user.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -X main.version=$VERSION" -o /learninglog ./cmd/learninglog

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /learninglog /learninglog
USER 65532:65532
# Others can reach it, so they need keys: docker exec … /learninglog key create --help
ENV LEARNINGLOG_ADDR=0.0.0.0:8080 LEARNINGLOG_AUTH=keys LEARNINGLOG_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["/learninglog", "health"]
ENTRYPOINT ["/learninglog"]
CMD ["serve"]
