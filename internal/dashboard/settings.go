package dashboard

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/learning"
	"learninglog/rollup"
)

// changeSettings sets what is in the form: name, goal, per and freeze. What is empty is unset.
// It leads to the view that the address has as its parameters.
func (p *Pages) changeSettings(w http.ResponseWriter, r *http.Request) error {
	userID, err := parseUserID(chi.URLParam(r, "user_id"))
	if err != nil {
		return err
	}
	settings, err := parseSettings(w, r)
	if err != nil {
		return err
	}
	if err := p.Recorder.ChangeSettings(r.Context(), userID, settings); err != nil {
		wrong := p.Problems.Of(r.Context(), err, "")
		if wrong.Kind() == problem.Invalid {
			wrong = wrong.Titled(wrongSettings)
		}
		return wrong
	}
	http.Redirect(w, r, viewAddress(userID, r.URL.Query(), "settings"), http.StatusSeeOther) //nolint:gosec // it leads to this very site
	return nil
}

const wrongSettings = "These settings can't be kept"

// parseSettings returns the settings in the form. Their limits aren't checked yet.
func parseSettings(w http.ResponseWriter, r *http.Request) (settings learning.Settings, err error) {
	const most = 16 << 10
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return learning.Settings{}, problem.Unreadable.New("Go back, and send it again.").Titled("The form can't be read")
	}
	var wrong []problem.Field
	number := func(name, expected string) int {
		text := strings.TrimSpace(r.PostForm.Get(name))
		if text == "" {
			return 0
		}
		value, err := strconv.Atoi(text)
		if err != nil {
			wrong = append(wrong, problem.Field{Location: name, Message: expected})
		}
		return value
	}
	settings.DisplayName = strings.TrimSpace(r.PostForm.Get("name"))
	words := number("goal", "must be a whole number from 1 to "+strconv.Itoa(command.MaxGoalWords)+", or empty")
	settings.FreezeDays = number("freeze", "must be a whole number from 0 to "+strconv.Itoa(command.MaxFreezeDays)+", or empty")
	if words != 0 {
		settings.Goal = learning.Goal{Words: int64(words), Per: rollup.Granularity(r.PostForm.Get("per"))}
	}
	if wrong != nil {
		return learning.Settings{}, problem.Invalid.New("Go back, and put it right.", wrong...).Titled(wrongSettings)
	}
	return settings, nil
}

// nameOf returns what a learner with a name, which may be empty, is called on pages.
func nameOf(userID uuid.UUID, name string) string {
	if name != "" {
		return name
	}
	const short = 8
	return "Learner " + userID.String()[:short]
}
