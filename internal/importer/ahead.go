package importer

import "context"

const (
	// maxPage and maxPageBytes bound what is read at once.
	maxPage      = 500
	maxPageBytes = 128 << 10
	// maxBlock and maxBlockBytes bound what is sent in one request. That much is
	// kept until it is acknowledged, and as much is read ahead.
	maxBlock      = 50_000
	maxBlockBytes = 8 << 20
)

// block is logs that are sent together.
type block struct {
	logs  []inputLog
	bytes int
	end   error // why nothing comes after it: io.EOF, or that of reading
}

func (b *block) add(page block) {
	b.logs = append(b.logs, page.logs...)
	b.bytes += page.bytes
	b.end = page.end
}

func (b *block) empty() bool { return len(b.logs) == 0 && b.end == nil }

func (b *block) complete() bool {
	return b.end != nil || len(b.logs) >= maxBlock || b.bytes >= maxBlockBytes
}

// blocks reads the input while what came before is being sent: what is read
// meanwhile is the next block, and whoever waits for one gets what there is. The
// last one has an end. It stops with ctx.
func (i *Input) blocks(ctx context.Context) <-chan block {
	pages, blocks := make(chan block), make(chan block)
	go i.readPages(ctx, pages)
	go gather(ctx, pages, blocks)
	return blocks
}

// readPages passes on what is at hand before it waits for more.
func (i *Input) readPages(ctx context.Context, pages chan<- block) {
	for {
		page := i.readPage()
		select {
		case pages <- page:
		case <-ctx.Done():
			return
		}
		if page.end != nil {
			return
		}
	}
}

func (i *Input) readPage() (page block) {
	for len(page.logs) < maxPage && page.bytes < maxPageBytes {
		log, err := i.next()
		if err != nil {
			page.end = err
			return page
		}
		page.logs = append(page.logs, log)
		page.bytes += len(log.text) + len(log.json)
		if !i.lines.AtHand() {
			return page
		}
	}
	return page
}

// gather fills a block until somebody takes it.
func gather(ctx context.Context, pages <-chan block, blocks chan<- block) {
	for next := (block{}); ; {
		in, out := pages, blocks
		if next.complete() {
			in = nil
		}
		if next.empty() {
			out = nil
		}
		select {
		case page := <-in:
			next.add(page)
		case out <- next:
			if next.end != nil {
				return
			}
			next = block{}
		case <-ctx.Done():
			return
		}
	}
}
